"""What goes into a report's page as text: our scripts and style, and uPlot. A page holds all it needs, so there is no build step and no network."""
