"""An enclave application to copy: it attests, has KMS decrypt one secret for it, and uses that without showing it.

The secret is a key for HMAC. Whoever asks gets tags made with it, never the key; replace `enclave_app.service` with
what your enclave is for. Everything that decides whom to trust comes from the image, where PCR0 and PCR2 measure it;
what comes from the parent at run time (credentials, ciphertext, requests) is either checked by KMS or worth nothing.
"""
