"""What people look at: a drive's report and its player, a suite's report, pictures of maps. Text and files only; no verdict is made here."""
