"""The command ``statusgate``: one file a command or group of commands."""
