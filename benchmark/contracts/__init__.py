"""What a plugin must offer and is given: hooks, light records of components, protocols of their implementations."""
