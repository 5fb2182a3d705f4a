"""What a run leaves behind: verdict, pages, history, what changed since the last night, reproducers."""
