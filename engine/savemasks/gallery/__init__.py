"""What people look at: a gallery of a result, and figures of a data set."""
