"""The command ``statusgate``: one file per command or group of commands."""
