"""Modules that are also in the archive of the Lambda functions. They use only the standard library and botocore."""
