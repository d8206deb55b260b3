"""The door: plugins found through entry points, loaded one by one, every one accounted for."""
