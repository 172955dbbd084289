"""``python -m zoho_tokenstore`` is ``zoho-tokenstore``."""

from zoho_tokenstore.cli import main

if __name__ == "__main__":
    main()
