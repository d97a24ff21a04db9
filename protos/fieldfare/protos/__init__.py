"""Wire format of Fieldfare: the `.proto` files and the Python code generated from them."""
