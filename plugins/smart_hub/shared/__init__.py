"""What the archive of the Lambda functions contains too: needs the standard library and botocore alone."""
