# Test Script

# nothing else
