"""The author's side: how a callable is marked and what it declares; standard library and numpy only, any process."""
