"""HTML reports: facts from a world's log, plots of them, and the page that shows both."""
