"""What knows the operating system, and nothing else does.

Whatever Linux has and other systems may lack is used here, and each function has another way where
it is missing. It is looked up when it is needed, not when a module is imported, so that tests can
take it away.
"""
