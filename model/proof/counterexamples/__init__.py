"""What an unproved property is refuted with: a smallest state and call, in words, reached from boot."""
