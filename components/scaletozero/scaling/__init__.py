"""What keeps endpoints warm: floors, headroom, schedules, and the simulation that tells what they are worth."""
