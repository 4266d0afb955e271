"""The image service: pictures made small, faces found and hidden, and what is to be seen."""
