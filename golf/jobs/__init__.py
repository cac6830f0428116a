"""Long work in processes of its own: started, watched through files, ended whole."""
