"""What customers may spend, hold and have spent: integers of a millionth of a dollar, changed in transactions."""
