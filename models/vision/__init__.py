"""Vision: pictures made small and safe, faces found and hidden, what is to be seen, and where videos are cut."""
