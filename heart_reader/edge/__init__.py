"""What makes a trained model run on a phone or a monitor."""
