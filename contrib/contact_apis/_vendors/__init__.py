"""What is true of one vendor lies in its folder, and what the vendors share lies here."""
