"""The doctor's eyes: each module looks at one kind of thing, and gives facts that the rules judge. None judges."""
