"""Where things live: catalog, blobs, parts, manifests, vectors and keywords."""
