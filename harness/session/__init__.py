"""What a command or a program does from its arguments to the stored, judged and reported job."""
