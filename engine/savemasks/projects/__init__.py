"""Where items come from: folders of Supervisely projects → data sets and items."""
