"""What happens in a run, for who reads the log named "savemasks".

Nothing is configured here, and nothing printed: without a handler of the program, the records go
nowhere.
"""

import logging

LOGGER = logging.getLogger("savemasks")
LOGGER.addHandler(logging.NullHandler())  # or else Python prints warnings that nobody takes
