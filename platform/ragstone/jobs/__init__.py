"""Jobs: long work, computed anywhere, committed by the owner of the workspace, never lost."""
