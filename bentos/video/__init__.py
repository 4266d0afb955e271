"""The video service: videos written anew, their best moment, what they show, and whether to show it."""
