"""The notebooks' preparation: VGG annotations to box files, and fine-tuning the detector on them."""
