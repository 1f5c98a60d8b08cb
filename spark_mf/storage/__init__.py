"""Files and folders on any file system that Hadoop's FileSystem opens."""
