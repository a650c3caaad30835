"""Who is calling, and what they may do: tokens, credentials, and the one table of rights."""
