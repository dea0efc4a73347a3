"""How real our traffic is: rolled out among recorded traffic and scored by what was recorded."""
