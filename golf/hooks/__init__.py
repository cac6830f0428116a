"""What Codex asks at its hooks: may this call go on, what is the state, is anything left open?

The standard library alone, a few small modules, and every answer within a tenth of a second: a hook
runs before each command. What goes wrong in here lets the call through and leaves a line in
`.golf/hooks.log`; a refusal is always a deliberate one, with its reason.
"""
