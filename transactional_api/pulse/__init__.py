"""What goes on in a connector right now, for a page that is open and asks again and again."""
