//! Neural style transfer: VGG-16 and VGG-19, their weight files, and embedded weights.
