"""One cell: data -> build -> train -> translate -> score -> measure -> commit."""
