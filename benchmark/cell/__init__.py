"""One cell: data -> build -> train -> translate -> score -> downstream -> commit."""
