"""The command line: one thin file a command. `app.py` lists them and says how to add one."""
