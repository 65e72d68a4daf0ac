"""What audits of published numbers share: exact intervals of printed digits, classification reports, significance."""
