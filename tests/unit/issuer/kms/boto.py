"""The door to boto3, which ships no types: a genuine client that has nobody to talk to, and what tests do to it."""

from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]  # boto3 ships no types
from botocore.awsrequest import AWSPreparedRequest, AWSResponse  # type: ignore[import-untyped]  # nor does botocore
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # as above
from botocore.stub import Stubber  # type: ignore[import-untyped]  # as above

__all__ = ["AWSPreparedRequest", "AWSResponse", "ClientError", "Stubber", "boto3_client"]


@cache
def _session() -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """Reading the service model is what takes time."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")


def boto3_client() -> Any:  # noqa: ANN401 - as above
    """A KMS client of its own for each test."""
    return _session().client("kms")
