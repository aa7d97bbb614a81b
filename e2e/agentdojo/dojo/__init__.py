"""AgentDojo against the gateway, with a scripted worst-case model. See ../README.md."""
