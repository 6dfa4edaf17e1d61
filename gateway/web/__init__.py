"""What is served over HTTP: the candidate's pages and the checks of whoever watches over the program."""
