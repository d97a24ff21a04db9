"""Sub-commands of `fieldfare`. These modules import lightly; what a command needs is imported when it runs."""
