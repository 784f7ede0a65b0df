"""What a defocus map is for: stronger blur, everything in focus, depth."""
