"""The MCP door: tools over `golf`, one call each."""
