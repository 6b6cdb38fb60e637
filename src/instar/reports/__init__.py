"""What is written for people to read: tables and pages about scores, pictures and models."""
