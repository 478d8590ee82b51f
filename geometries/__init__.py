"""Example geometry files of every detector, and the script that writes them."""
