"""Every metric of a profile against graded distortions: a card that shows whether it can be trusted."""
