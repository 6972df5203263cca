"""gRPC: Audio2Face-3D's protocol, and health."""
