"""The checks: each public function is one, called by its name, and is given a case of its own."""
