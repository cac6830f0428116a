"""What a commit would hold that should not be in one."""
