#!/usr/bin/env bash
# Make the parent instance, its role and the key, and print their names. Needs AWS credentials.
# Usage: deploy.sh STACK VPC SUBNET
set -euo pipefail

stack=${1:?STACK} vpc=${2:?VPC} subnet=${3:?SUBNET}
template=$(dirname "${BASH_SOURCE[0]}")/parent.yaml
aws cloudformation deploy --stack-name "$stack" --template-file "$template" --capabilities CAPABILITY_IAM \
  --parameter-overrides "VpcId=$vpc" "SubnetId=$subnet"
aws cloudformation describe-stacks --stack-name "$stack" --output table \
  --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]'
instance=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
  --query "Stacks[0].Outputs[?OutputKey=='InstanceId'].OutputValue")
enabled=$(aws ec2 describe-instances --instance-ids "$instance" --output text \
  --query 'Reservations[].Instances[].EnclaveOptions.Enabled')
[[ $enabled == True ]] || { echo "$instance was launched without enclaves: launch another" >&2; exit 1; }
